<?php

function media_handle_sideload($file, $post, $title)
{
    $id = wp_insert_post(['post_type' => 'attachment']);
    update_post_meta($id, '_wp_attached_file', $file['tmp_name']);
    return $id;
}
